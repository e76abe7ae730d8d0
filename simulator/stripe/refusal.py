"""How Stripe says no."""

from typing import Any


class Refused(ValueError):
    """A request that Stripe answers with an error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or kind
        self._error = {"type": kind, "message": message, "code": code, "param": param}

    def answer(self) -> dict[str, Any]:
        """Return the body."""
        return {"error": {name: value for name, value in self._error.items() if value is not None}}


def missing(kind: str, id_: str, param: str = "id") -> Refused:
    """Return the refusal for an id that nothing has."""
    return Refused(f"No such {kind}: '{id_}'", status=404, code="resource_missing", param=param)
