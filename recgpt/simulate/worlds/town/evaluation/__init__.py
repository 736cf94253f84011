"""Evaluation of a town by interviews: 25 questions, answered with parts of the memory left out, scored by the log.

    found = evaluate([run], at=time(18))
    found["arms"]["full"]["all"]["mean"]

After Park et al., UIST 2023, section 6: five questions each on self-knowledge, memory, plans, reactions, reflections.
There, people ranked answers by believability; here the log decides: an answer makes claims (names, places, activities,
yes or no), and each claim is true or false.
"""
