"""One trial: proposed, trained with its seeds, judged, recorded."""
