"""What `konstruct doctor` looks at: one function an examination, each answers findings and changes nothing."""
