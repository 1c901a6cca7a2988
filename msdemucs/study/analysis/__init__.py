"""What a study says: tables, effects, intervals, rank correlations, replays."""
