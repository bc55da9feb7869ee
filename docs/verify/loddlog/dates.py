"""Civil dates: days of the calendar, counted in the time zone of the trial.

A date is the number of days since 1970-01-01 in the Gregorian calendar, before
1582 and after 9999, too.
"""

import datetime
import re
import zoneinfo

DAYS_IN_400_YEARS = 146097
EPOCH = datetime.date(1970, 1, 1).toordinal()
DAY = 24 * 60 * 60


class NoZones(Exception):
    """Says that this machine knows no time zones at all."""


def parse(text):
    """Returns the date YYYY-MM-DD, of 1900 to 2199, or None if it is none."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) or not "1900" <= text[:4] <= "2199":
        return None
    try:
        return number(*map(int, text.split("-")))
    except ValueError:
        return None


def number(year, month, day):
    """Returns the date of a year, month and day, and a ValueError if there is none."""
    cycles, rest = divmod(year, 400)
    within = datetime.date(rest + 400, month, day).toordinal()
    return within + (cycles - 1) * DAYS_IN_400_YEARS - EPOCH


def split(date):
    """Returns year, month and day."""
    cycles, rest = divmod(date + EPOCH - 1, DAYS_IN_400_YEARS)
    within = datetime.date.fromordinal(rest + 1)
    return within.year + cycles * 400, within.month, within.day


def text(date):
    """Writes a date as YYYY-MM-DD."""
    return "%04d-%02d-%02d" % split(date)


def add_months(date, months):
    """Returns the same day months later, or the last of a month without it."""
    year, month, day = split(date)
    years, month = divmod(month - 1 + months, 12)
    for day in (day, 30, 29, 28):
        try:
            return number(year + years, month + 1, day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def zone(name):
    """Returns the time zone of an IANA name, or None if there is none of that name.

    A name of an older log may have empty parts and dots (S3), which zoneinfo
    doesn't take.
    """
    parts = name.split("/")
    if parts[0] == "" or parts[-1] in ("", "."):
        return None
    name = "/".join(part for part in parts if part not in ("", "."))
    if name == "UTC":
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if not zoneinfo.available_timezones():
            raise NoZones("this machine has no time zone database, so no date can be checked: "
                          "install the system's tzdata, or the Python package of that name")
        return None


def of(at_ms, tz):
    """Returns the date of an instant, in milliseconds since 1970, in a zone."""
    seconds = at_ms // 1000
    return (seconds + offset(seconds, tz)) // DAY


def offset(seconds, tz):
    """Returns how many seconds the clocks of a zone are ahead of UTC.

    datetime ends with the year 9999 and begins with 1. The rules of a zone
    repeat with the calendar, every 400 years; before 1800 there were none.
    """
    cycle = DAYS_IN_400_YEARS * DAY
    first, last = -5364662400, 240000000000  # the years 1800 and 9575
    if seconds > last:
        seconds -= -((last - seconds) // cycle) * cycle
    at = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=max(seconds, first))
    return round(at.astimezone(tz).utcoffset().total_seconds())
