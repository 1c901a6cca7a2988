"""Who runs a study's trials: one process, several on a host, hosts that share a storage, Ray.

run_study (loop), work_on (worker) ─▶ Scheduler: which trial next ─▶ TrialRunner: to its end
untried        what is tried in place of a trial that repeated another
worker_pool    worker processes of one host, which tell what they do by events
ray_cluster    the same as tasks of a cluster
beginning, joining   what is recorded so that others can join, and how they do
"""
