"""The result of one check of the doctor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `fix` says how to correct a problem; None if there is none."""

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
