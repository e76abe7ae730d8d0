"""What `konstruct doctor` looks at: one function each, which changes nothing."""
