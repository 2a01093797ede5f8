"""The command line: one file per command. Prints for people, decides nothing."""
