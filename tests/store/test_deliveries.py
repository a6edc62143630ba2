"""Two mentions of a user in a request make one recipient."""

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store.deliveries import Delivery

OLD = User(ProjectId("p"), UserId("u"), "ada", None)
NEW = User(ProjectId("p"), UserId("u"), "ada", "ada@example.com")


def test_the_attributes_of_both_mentions_are_set_and_the_later_ones_win() -> None:
    earlier = Delivery(OLD, {"first_name": "A", "last_name": "Byron"})
    joined = Delivery(OLD, {"first_name": "Ada"}).after(earlier)
    assert joined.profile == {"first_name": "Ada", "last_name": "Byron"}


def test_names_that_were_read_just_now_win_over_cached_ones() -> None:
    assert Delivery(OLD, fresh=False).after(Delivery(NEW, fresh=True)) == Delivery(NEW, {}, fresh=True)
    assert Delivery(NEW, fresh=True).after(Delivery(OLD, fresh=False)) == Delivery(NEW, {}, fresh=True)
    assert Delivery(NEW, fresh=True).after(Delivery(OLD, fresh=True)).user == NEW


def test_a_single_mention_is_the_recipient() -> None:
    assert Delivery(OLD).after(None) == Delivery(OLD)
