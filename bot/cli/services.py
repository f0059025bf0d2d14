"""Which services a run has, by its settings. What is off is not imported."""

from typing import Any


def services_of(settings: Any) -> list[Any]:
    """A maker for each service that the settings turn on."""
    makers: list[Any] = []
    if settings.notify.destinations:
        from bot.operate.notify.service import make_notifier

        makers.append(make_notifier)
    if settings.telegram.token is not None:
        from bot.operate.telegram.service import make_telegram

        makers.append(make_telegram)
    if settings.metrics.is_on:
        from bot.operate.metrics.service import make_metrics

        makers.append(make_metrics)
    return makers


def start_report_of(settings: Any) -> Any:
    """How a start that does not come about is reported; None where no destination is set."""
    if not settings.notify.destinations:
        return None
    from bot.operate.notify.service import report_failed_start

    return report_failed_start


def service_problems(settings: Any) -> list[str]:
    """What only the packages of the services know to be wrong; each with the name of its setting."""
    problems: list[str] = []
    if settings.notify.destinations:
        from bot.operate.notify.service import make_senders

        try:
            make_senders(settings)
        except ValueError as error:
            problems.append(f"notify.urls: {error}")
    return problems


def service_lines(settings: Any) -> list[str]:
    """What is turned on, for `config check`."""
    notify = settings.notify
    names = ", ".join(notify.destinations)
    quiet = f", quiet {notify.quiet_hours} {notify.time_zone}" if notify.quiet_hours else ""
    report = f", daily report {notify.report_at} {notify.time_zone}" if notify.report_at else ""
    users = len(settings.telegram.users)
    remote = f"on, for {users} user{'s' * (users != 1)}" if settings.telegram.token is not None else "off"
    to = f"to {names}{quiet}{report}" if names else "off, notify.urls is not set"
    places = [str(place) for place in (settings.metrics.listen, settings.metrics.file) if place]
    return [f"notices: {to}", f"telegram: {remote}", f"metrics: {', '.join(places) or 'off'}"]
