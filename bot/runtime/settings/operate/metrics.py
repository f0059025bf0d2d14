"""The section `metrics`: figures for Prometheus."""

from pathlib import Path

from pydantic import Field, field_validator

from bot.runtime.settings.sections import Section


class MetricsSettings(Section):
    """Figures for Prometheus, on a port or in a file; docs/metrics.md lists them."""

    listen: str = Field(
        default="", description='address and port to serve on, such as "127.0.0.1:9464"; empty: not served'
    )
    file: Path | None = Field(
        default=None, description="text file written instead or besides, for node_exporter's textfile collector"
    )

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isascii() and port.isdigit() and int(port) < 65_536):
            raise ValueError(f'metrics.listen: {value!r} is no address and port; one is "127.0.0.1:9464"')
        return value

    @property
    def is_on(self) -> bool:
        """Whether anything is exposed."""
        return bool(self.listen) or self.file is not None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
