"""From what a person wrote to plans: profiles, studies, rules between settings, and the sentences when one is broken."""
