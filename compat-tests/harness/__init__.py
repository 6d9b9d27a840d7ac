"""What the programs in compat-tests share."""
