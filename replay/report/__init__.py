"""How a summary looks: formatting only, nothing is computed here."""
