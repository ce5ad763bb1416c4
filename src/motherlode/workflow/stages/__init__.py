"""The stages of a project: what each reads, what it leaves behind, and what it says of itself; one module a section."""
