"""What comes after a callout, over HTTP in both generations: reasons, report, map, ratings, dismiss."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator.rooms import Room

Opener = Callable[..., Room]


def closed(room: Room) -> int:
    """A callout that a responder walked to its end."""
    number = room.raise_callout()
    for act in ("dispatch", "arrive", "complete", "close"):
        room.act(number, act)
    return number


def rated(room: Room, number: int) -> int:
    """The id of a rating of this callout."""
    told = room.api("POST", "/ratings", {"calloutId": number, "rating": 4}).json()
    return told["calloutRatingPostResult"]["id"] if "calloutRatingPostResult" in told else told["id"]


# --- reasons ---


def test_reasons_are_a_fixed_list(room: Room, old: Room) -> None:
    """NEW wraps the list that OLD tells bare; both are told for an open callout, too."""
    told = room.api("GET", f"/callouts/{room.raise_callout()}/exceptionReasons").json()
    assert list(told) == ["message", "exceptionReasons"]
    bare = old.api("GET", f"/callouts/{old.raise_callout()}/exceptionReasons").json()
    assert bare == told["exceptionReasons"]
    assert {"id": 2, "reason": "False alarm"} in bare


def test_a_reason_is_linked_to_its_callout(room: Room) -> None:
    """The answer tells the link, the dispatcher sees it, and the callout goes on."""
    number = room.raise_callout()
    told = room.api("POST", f"/callouts/{number}/exceptionReasons", {"exceptionReasonId": 3, "notes": "Stuck button"})
    assert told.status_code == 201
    linked = told.json()["createdExceptionReason"]
    assert (linked["calloutId"], linked["exceptionReasonId"], linked["notes"]) == (number, 3, "Stuck button")
    assert [each["notes"] for each in room.seen(number)["reasons"]] == ["Stuck button"]
    assert not room.seen(number)["closed"]


def test_a_reason_without_a_known_id_is_400_in_the_newer_generation(room: Room) -> None:
    """It links to a reason that there is, and invents none."""
    number = room.raise_callout()
    for body in ({}, {"notes": "x"}, {"exceptionReasonId": 99}, {"exceptionReasonId": "3"}, {"exceptionReasonId": 3, "notes": 4}):
        assert room.api("POST", f"/callouts/{number}/exceptionReasons", body).status_code == 400, body
    assert room.seen(number)["reasons"] == []


def test_a_reason_needs_nothing_in_the_older_generation(old: Room) -> None:
    """Id and notes are optional, and the answer is flat."""
    number = old.raise_callout()
    for body, reason in (({}, "Not said"), ({"notes": "We were out"}, "We were out"), ({"exceptionReasonId": 2}, "False alarm")):
        told = old.api("POST", f"/callouts/{number}/exceptionReasons", body)
        assert (told.status_code, sorted(told.json()), told.json()["reason"]) == (201, ["id", "reason"], reason)


def test_an_unknown_reason_is_400_in_the_older_generation_too(old: Room) -> None:
    """An id that is told must be one that there is."""
    assert old.api("POST", f"/callouts/{old.raise_callout()}/exceptionReasons", {"exceptionReasonId": 99}).status_code == 400


# --- report and map ---


def test_the_report_exists_from_the_close_on(room: Room, old: Room) -> None:
    """404 before, times and outcome after; NEW wraps what OLD tells flat."""
    for speaker in (room, old):
        number = speaker.raise_callout()
        told = speaker.api("GET", f"/callouts/{number}/resolutionReport")
        assert (told.status_code, bool(told.json()["message"])) == (404, True)
        done = closed(speaker) if speaker.act(number, "close").status_code == 200 else 0
        report = speaker.api("GET", f"/callouts/{done}/resolutionReport").json()
        report = report["resolutionReport"] if speaker is room else report
        assert (report["calloutId"], report["status"], report["outcome"]) == (done, "closed", "Attended by a responder")
        assert report["createdAt"] <= report["dispatchedAt"] <= report["arrivedAt"] <= report["completedAt"] <= report["closedAt"]


@pytest.mark.parametrize("code", ["0042", "9999", None])
def test_the_report_does_not_tell_how_a_callout_was_cancelled(room: Room, code: str | None) -> None:
    """Whoever forced a code out of the wearer may read it: right, wrong and no code make the same report."""
    number = room.raise_callout()
    room.api("POST", f"/callouts/{number}/cancel", {} if code is None else {"safeCode": code})
    if not room.seen(number)["closed"]:
        room.act(number, "close")
    report = room.api("GET", f"/callouts/{number}/resolutionReport").json()["resolutionReport"]
    times = {key for key in report if key.endswith("At")} | {"calloutId"}
    assert {key: value for key, value in report.items() if key not in times} == {
        "customerId": 4711,
        "status": "closed",
        "outcome": "Closed without a responder at the scene",
        "responder": None,
        "exceptionReasons": [],
    }


# --- ratings ---


def test_a_callout_is_rated(room: Room) -> None:
    """The words and the permission to call are kept with the stars."""
    number = closed(room)
    body = {"calloutId": number, "rating": 5, "additionalDetails": "Quick", "customerAllowedToBeContacted": False}
    told = room.api("POST", "/ratings", body)
    result = told.json()["calloutRatingPostResult"]
    assert (told.status_code, list(told.json())) == (201, ["calloutRatingPostResult"])
    assert (result["calloutId"], result["rating"], result["additionalDetails"]) == (number, 5, "Quick")
    assert result["customerAllowedToBeContacted"] is False
    assert [(each["stars"], each["comment"]) for each in room.seen(number)["ratings"]] == [(5, "Quick")]


def test_a_callout_is_rated_flat_in_the_older_generation(old: Room) -> None:
    """Its comment has another key."""
    number = closed(old)
    told = old.api("POST", "/ratings", {"calloutId": number, "rating": 2, "comment": "Slow"})
    assert told.json() == {"id": told.json()["id"], "calloutId": number, "rating": 2}
    assert old.seen(number)["ratings"][0]["comment"] == "Slow"


def test_a_second_rating_replaces_the_first(room: Room) -> None:
    """A repeat after a lost answer adds none."""
    number = closed(room)
    assert rated(room, number) == rated(room, number)
    room.api("POST", "/ratings", {"calloutId": number, "rating": 1})
    assert [each["stars"] for each in room.seen(number)["ratings"]] == [1]


@pytest.mark.parametrize("generation", ["new", "old"])
def test_a_rating_that_does_not_fit_is_400(open_room: Opener, generation: str) -> None:
    """From 1 to 5, and of a callout that is known."""
    room = open_room(generation=generation)
    number = closed(room)
    for change in ({"rating": 0}, {"rating": 6}, {"rating": 2.5}, {"rating": None}, {"calloutId": 1}, {"calloutId": None}):
        assert room.api("POST", "/ratings", {"calloutId": number, "rating": 3, **change}).status_code == 400, change
    assert room.seen(number)["ratings"] == []


def test_rating_items_are_a_fixed_list(room: Room, old: Room) -> None:
    """NEW wraps the list that OLD tells bare."""
    told = room.api("GET", "/rating-items").json()
    assert old.api("GET", "/rating-items").json() == told["ratingItems"]
    assert [each["id"] for each in told["ratingItems"]] == [1, 2, 3]


def test_a_rating_item_is_made_and_made_anew(room: Room) -> None:
    """The same aspect of the same rating keeps its id."""
    rating = rated(room, closed(room))
    body = {"calloutRatingId": rating, "ratingItemDescription": "Kindness", "sentiment": "positive"}
    first = room.api("POST", "/rating-items", body)
    (item,) = first.json()["calloutRatingItemResults"]
    assert (first.status_code, item["ratingItemDescription"], item["sentiment"]) == (201, "Kindness", "positive")
    (again,) = room.api("POST", "/rating-items", {**body, "sentiment": "negative"}).json()["calloutRatingItemResults"]
    assert (again["id"], again["sentiment"]) == (item["id"], "negative")
    (other,) = room.api("POST", "/rating-items", {**body, "ratingItemId": 2}).json()["calloutRatingItemResults"]
    assert other["id"] != item["id"]


def test_a_rating_item_is_a_score_in_the_older_generation(old: Room) -> None:
    """Which aspect is known by its id."""
    rating = rated(old, closed(old))
    told = old.api("POST", "/rating-items", {"ratingId": rating, "ratingItemId": 2, "score": 4}).json()
    assert (told["ratingId"], told["ratingItemId"], told["score"]) == (rating, 2, 4)


NO_ITEMS = {
    "new": (
        {"ratingItemDescription": "x"},
        {"calloutRatingId": 1},
        {"calloutRatingId": 77, "ratingItemDescription": "x"},
        {"calloutRatingId": 1, "ratingItemDescription": "x", "ratingItemId": 77},
        {"ratingId": 1, "ratingItemId": 1, "score": 4},
    ),
    "old": (
        {"ratingId": 1, "ratingItemId": 77, "score": 4},
        {"ratingId": 1, "ratingItemId": 1, "score": 6},
        {"ratingId": 1, "ratingItemId": 1},
        {"calloutRatingId": 1, "ratingItemDescription": "x"},
    ),
}


@pytest.mark.parametrize("generation", ["new", "old"])
def test_a_rating_item_that_does_not_fit_is_400(open_room: Opener, generation: str) -> None:
    """Also one in the shape of the other generation."""
    room = open_room(generation=generation)
    assert rated(room, closed(room)) == 1
    for body in NO_ITEMS[generation]:
        assert room.api("POST", "/rating-items", body).status_code == 400, body


# --- dismiss ---


def test_dismiss_is_of_the_older_generation(room: Room) -> None:
    """The newer documentation does not have it."""
    number = room.raise_callout()
    room.as_backend()
    assert room.api("POST", f"/callouts/{number}/dismiss", {}).status_code == 404
    assert not room.seen(number)["softCancelled"]


def test_dismiss_is_a_backend_s_way_to_ask_for_the_end(old: Room) -> None:
    """A server token soft-cancels without a code and without a body; a device's token is 401."""
    number = old.raise_callout()
    assert old.api("POST", f"/callouts/{number}/dismiss", {}).status_code == 401
    assert not old.seen(number)["softCancelled"]
    old.as_backend()
    told = old.api("POST", f"/callouts/{number}/dismiss")
    assert (told.status_code, told.json()["id"]) == (200, number)
    assert (old.seen(number)["softCancelled"], old.seen(number)["closed"], old.seen(number)["duress"]) == (True, False, False)
