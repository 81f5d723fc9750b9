"""Export to SavedModel and .keras, and the local serving endpoint."""
