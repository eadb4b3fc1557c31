"""What the doctor has found out about one thing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of checking one thing. `fix` says how to correct it; None if it is right."""

    about: str
    detail: str
    fix: str | None = None

    def __str__(self) -> str:
        if self.fix is None:
            return f"ok     {self.about}: {self.detail}"
        return f"WRONG  {self.about}: {self.detail}\n       {self.fix}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; without a message, the name of its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]
