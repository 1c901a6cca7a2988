"""The search-space language: what a study varies, around what, on which data and to what end.

    search_spaces/*.yaml ─ loading ─▶ SearchSpace, Search (space)
    a trial's parameters ─ variations ─▶ fields ─▶ a spec and a recipe

`sampling` says who proposes trials and what is asked of short runs; `json_schema` describes the
language to editors. Nothing here opens a storage or imports torch.
"""
