"""Who is simulated: profiles, traits and memory."""
