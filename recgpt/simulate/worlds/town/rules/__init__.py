"""Rules of the published town as pure functions, each in its published and in its corrected form.

Park et al., "Generative Agents: Interactive Simulacra of Human Behavior" (UIST 2023), and its code, joonspk-research/
generative_agents, commit fe05a71d.

    block_at(schedule, minute, ahead=60)                      # corrected, the default
    block_at(schedule, minute, ahead=60, published=True)      # as the published code has it, faults included

The published forms serve `behaviour: published`, the console and the tests against golden values.
"""
