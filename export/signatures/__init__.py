"""The signatures of SavedModels: what a server offers, in words and with examples."""
