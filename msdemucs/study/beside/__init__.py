"""Trainings and judgements beside a study's trials: the noise floor, promotion, re-scoring."""
