"""What is asked: the search-space language, and the rules that it names (halving, designs)."""
