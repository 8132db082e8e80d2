"""What a person does, as plain messages and settings."""
