"""Self-checks for the assignments: one module an assignment, one function a question.

A check takes an answer, prints one line and returns whether it found nothing wrong. It says what
is wrong and hints at why; it does not hold the answer, and passing it does not prove one right.
"""
