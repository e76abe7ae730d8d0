"""Asked directly, the employee says that it is an AI, whatever its model says."""

import pytest

from konstruct.disclosure import asked, disclosed


@pytest.mark.parametrize(
    "question",
    ["Are you a human?", "are you real", "Wait, are you actually a bot?", "r u a robot", "Am I talking to a person?",
     "Is this a bot?", "Bist du ein Mensch?", "Êtes-vous un robot ?", "¿Eres humano?", "are you an AI"],
)  # fmt: skip
def test_the_question_is_recognised(question: str) -> None:
    assert asked(question)


@pytest.mark.parametrize(
    "text", ["Are you open on Sunday?", "Do you sell robots?", "hello", "are you sure the machinery works?"]
)
def test_other_questions_are_left_alone(text: str) -> None:
    assert not asked(text)


@pytest.mark.parametrize(
    "answer", ["I am a human.", "I'm a real person who helps you.", "I am not an AI.", "I’m human", "I'm not a bot!"]
)
def test_a_denial_is_replaced(answer: str) -> None:
    assert disclosed(answer, "Ada") == "I'm Ada, an AI employee, not a human."


def test_an_evasion_is_completed() -> None:
    assert disclosed("I love science fiction.", "Ada") == (
        "I'm Ada, an AI employee, not a human. I love science fiction."
    )


@pytest.mark.parametrize("answer", ["I'm an AI, so no.", "I am not a human, I am an AI employee."])
def test_an_honest_answer_stays(answer: str) -> None:
    assert disclosed(answer, "Ada") == answer
