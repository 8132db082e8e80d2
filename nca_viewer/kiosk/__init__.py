"""A public place: who has the exhibit, what it does alone, and in which words; plain Python."""
