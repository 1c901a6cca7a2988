"""A study: what is searched, how one trial runs, where its record is kept."""
