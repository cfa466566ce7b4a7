"""Answers are worked out once and do not hold each other up."""

import threading
import time

import pytest
from hedgerow_network.errors import TooManyLongQuestions
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


def test_long_questions_take_turns_and_never_hold_all_threads():
    answers, go = Answers(64, long_at_once=1, long_waiting=3), threading.Event()
    at_once, most, lock = [0], [0], threading.Lock()

    def slow():
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        go.wait(5)
        with lock:
            at_once[0] -= 1
        return "long"

    found = []

    def ask(key):
        try:
            found.append(answers.get(key, slow, long=True))
        except TooManyLongQuestions:
            found.append("refused")

    threads = [threading.Thread(target=ask, args=(key,)) for key in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 5
    while found.count("refused") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Neither a short question nor one that was answered before waits for the long ones.
    assert answers.get("short", lambda: "short") == "short"
    assert answers.get("short", slow, long=True) == "short"
    go.set()
    for thread in threads:
        thread.join()
    assert (found.count("long"), found.count("refused"), most[0]) == (3, 5, 1)


def test_a_long_question_may_rest_on_an_answer_that_another_waits_to_work_out():
    answers = Answers(64, long_at_once=1, long_waiting=4)
    begun, asked = threading.Event(), threading.Event()

    def outer():
        begun.set()
        assert asked.wait(5)
        # The other thread has said that it will work this out, and waits for the turn that this one has.
        return answers.get("shared", lambda: "mine", long=True) + " and more"

    def other():
        assert begun.wait(5)
        threading.Timer(0.1, asked.set).start()
        return answers.get("shared", lambda: "shared", long=True)

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(answers.get("outer", outer, long=True))),
        threading.Thread(target=lambda: found.append(other())),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(found) == ["shared", "shared and more"]
