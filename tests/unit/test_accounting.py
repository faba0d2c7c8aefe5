"""Accounts: what was asked for is the sum of what became of it."""

from __future__ import annotations

import pytest

from logos_cli.accounting import RecordAccount
from logos_cli.docking.tally import DockTally
from logos_cli.errors import DefectError
from logos_cli.records import Record, Status
from logos_cli.workflows.score.scoring import ScoreTally


def test_records_are_counted_by_status() -> None:
    account = RecordAccount()
    for status in (Status.OK, Status.OK, Status.INVALID, Status.ERROR):
        account.add(Record("a", "protein", "x", status))
    account.check()
    assert (account.requested, account.good, account.lost) == (4, 3, 1)
    assert str(account) == "4 records: 2 ok, 1 invalid, 1 error"


def test_a_ligand_that_got_lost_is_a_defect() -> None:
    account = DockTally(docked=3, failed=1, asked=4)
    account.check()
    assert str(account) == "4 requested → 3 docked (1 failed)"
    account.asked += 1
    with pytest.raises(DefectError, match="5 items were begun, but 4 are accounted for"):
        account.check()


def test_what_filters_leave_out_is_part_of_the_sum() -> None:
    account = ScoreTally(scored=5, malformed=1, written=2, refused=3, without_value=1, filters=True, asked=6)
    account.check()
    assert str(account) == "6 records → 5 scored → 2 kept (1 malformed, 3 refused by --where, 1 without a value)"
    account.written -= 1
    with pytest.raises(DefectError, match="do not sum"):
        account.check()
