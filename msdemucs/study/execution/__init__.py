"""Who runs a study's trials: one process, several on a host, hosts that share a storage, Ray.

loop (run_study, work_on) ─▶ scheduler: which trial next ─▶ trial_runner: to its end
worker_pool    worker processes of one host, and what they tell of themselves
ray_cluster    the same as tasks of a cluster
"""
