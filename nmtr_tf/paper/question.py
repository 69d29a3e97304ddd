"""The question that results answer: a protocol and a mask."""

import dataclasses

from nmtr_tf.config import EvaluationConfig


@dataclasses.dataclass(frozen=True)
class Question:
    """What was held out from whom, and what was ranked.

    Attributes:
        protocol: "released" or "strict".
        mask: "none", "target" or "all"; "auto" becomes what the protocol asks. By default that of runs.
    """

    protocol: str
    mask: str = EvaluationConfig().mask

    def __post_init__(self):
        mask = EvaluationConfig(mask=self.mask).mask_under(self.protocol)
        object.__setattr__(self, "mask", mask)  # frozen, but not yet handed out

    @property
    def _is_the_usual(self) -> bool:
        return self == Question(self.protocol)

    @property
    def folder(self) -> str:
        """A name for directories: "strict", or "strict-mask_all" where the mask is not the usual one."""
        return self.protocol if self._is_the_usual else f"{self.protocol}-mask_{self.mask}"

    @property
    def options(self) -> dict[str, str]:
        """The options that ask it."""
        mask = {} if self._is_the_usual else {"mask": self.mask}
        return {"protocol": self.protocol, **mask}

    def __str__(self) -> str:
        """For titles."""
        return f"protocol {self.protocol}, mask {self.mask}"
