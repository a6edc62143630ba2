"""The writes that a user's journal expects in the log: all that certainly changed something."""

from loadtest.check.write_journal import JournalItem, WriteJournal


def with_item(journal: WriteJournal) -> JournalItem:
    item = JournalItem("id", "orders")
    journal.sent_to("send", item, started=1.0)
    return item


def test_a_command_that_changes_something_is_expected_once() -> None:
    journal = WriteJournal()
    item = with_item(journal)
    journal.commanded("first", "read", item, requests=1)
    journal.commanded("again", "read", item, requests=1)
    journal.commanded("seen", "seen", item, requests=1)
    assert journal.expected == {"send", "first"}
    assert journal.once == {"send", "first", "again", "seen"}


def test_a_repeated_command_may_be_processed_late_so_that_the_state_of_its_item_is_unknown() -> None:
    journal = WriteJournal()
    item = with_item(journal)
    journal.commanded("read", "read", item, requests=2)
    journal.commanded("unread", "unread", item, requests=1)
    assert journal.expected == {"send", "read"}
    assert "read" not in journal.once


def test_a_request_that_was_given_up_may_be_processed_after_later_commands() -> None:
    journal = WriteJournal()
    item = with_item(journal)
    journal.commanded("read", "read", item, requests=2)
    journal.commanded("unread", "unread", item, requests=1)
    journal.commanded("again", "read", item, requests=1)  # the first "read" may have been before this one
    assert journal.expected == {"send", "read"}


def test_a_mark_all_that_was_given_up_may_mark_items_that_were_sent_later() -> None:
    journal = WriteJournal()
    before = with_item(journal)
    journal.marked_all("all", "read", None, ended=2.0, requests=2)
    after = JournalItem("after", "orders")
    journal.sent_to("later", after, started=3.0)
    journal.commanded("seen", "seen", after, requests=1)
    journal.commanded("unread", "unread", before, requests=1)
    journal.commanded("read", "read", before, requests=1)
    assert journal.expected == {"send", "later", "all"}
    journal.commanded("archive", "archive", after, requests=1)  # a mark-all never archives
    assert "archive" in journal.expected


def test_after_a_comparison_all_states_are_known() -> None:
    journal = WriteJournal()
    journal.commanded("read", "read", with_item(journal), requests=2)
    journal.marked_all("all", "read", None, ended=2.0, requests=2)
    listed = {"id": "id", "category": "", "read_at": None, "seen_at": None, "archived_at": None}
    journal.forget([listed])
    journal.commanded("again", "read", journal.items["id"], requests=1)
    assert journal.expected == {"again"}


def test_an_item_that_was_sent_during_a_mark_all_may_be_marked_or_not() -> None:
    journal = WriteJournal()
    journal.marking_all()
    item = with_item(journal)
    journal.marked_all("all", "read", None, ended=2.0, requests=1)
    assert "all" not in journal.expected
    journal.commanded("read", "read", item, requests=1)
    assert "read" not in journal.expected


def test_marking_a_category_does_not_change_others() -> None:
    journal = WriteJournal()
    item = with_item(journal)
    journal.marked_all("billing", "read", "billing", ended=0.5, requests=1)
    journal.marked_all("orders", "read", "orders", ended=0.6, requests=1)
    assert journal.expected == {"send", "orders"}
    assert (item.read, item.seen, item.archived) == (True, True, False)


def test_a_deletion_is_expected_and_recorded() -> None:
    journal = WriteJournal()
    journal.removed("delete", with_item(journal), requests=2)
    assert journal.expected == {"send", "delete"}
    assert journal.deleted == {"id"}
    assert journal.items == {}
