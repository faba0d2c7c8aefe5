"""``logos runs``: the directories of bulk commands."""
