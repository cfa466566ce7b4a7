"""Answers are worked out once and do not hold each other up."""

import threading

import pytest
from hedgerow_network.store.answers import Answers


def test_an_answer_is_worked_out_once_however_many_ask_at_once():
    answers, calls, go = Answers(4), [], threading.Event()

    def slow():
        calls.append(1)
        go.wait(5)
        return "answer"

    found = []
    threads = [threading.Thread(target=lambda: found.append(answers.get("a", slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    # Somebody with another question is not held up by the slow one.
    assert answers.get("b", lambda: "other") == "other"
    go.set()
    for thread in threads:
        thread.join()
    assert found == ["answer"] * 8
    assert len(calls) == 1


def test_an_error_is_told_and_not_kept():
    answers = Answers(4)

    def fails():
        raise KeyError("no")

    with pytest.raises(KeyError):
        answers.get("a", fails)
    assert answers.get("a", lambda: 1) == 1


def test_only_so_many_are_kept():
    answers, calls = Answers(2), []
    for key in ("a", "b", "c", "b", "a"):
        answers.get(key, lambda key=key: calls.append(key))
    assert calls == ["a", "b", "c", "a"]
