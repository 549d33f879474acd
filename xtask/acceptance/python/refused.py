"""The outcome of a case that ends without a token."""


class Refused(Exception):
    """An error of the service. `text` is what the user of the client sees, `behind` what stands behind it."""

    def __init__(self, text: str, behind: str = ""):
        super().__init__(text)
        self.text, self.behind = text, behind

    @classmethod
    def by(cls, error: BaseException):
        """From what a client raised, with its causes."""
        behind, cause = [], error.__cause__ or error.__context__
        while cause:
            behind.append(str(cause))
            cause = cause.__cause__ or cause.__context__
        return cls(str(error), "; ".join(behind))
