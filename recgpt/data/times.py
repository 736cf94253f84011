"""Parsing of time columns: temporal types, Unix numbers, ISO 8601 text, or a format given by the user.

    times = read_times(table, "bought_at", "events.csv")            # or time_format="%d/%m/%Y", or "ms"
    table.sort(times.nanoseconds, maintain_order=True, nulls_last=True).select(timestamp=times.seconds)

All readers of interactions parse times here. Rules, for a whole column:

- Polars and pandas dates and datetimes are taken as they are, of any unit; those without a zone are UTC.
- Numbers, also as text, are Unix seconds, milliseconds, microseconds or nanoseconds: the one unit in which all of them
  lie in the years 1995 to 2099. The ranges of two units do not overlap. -1 is an unknown time.
- Other text is ISO 8601, with any mixture of zones; UTC without one. Days before months (03/04/2021) and the like are
  read only with a format.
- A format (`--time-format`) is `s`, `ms`, `us` or `ns`, or one of Python's `strptime`.

Whatever follows none of the rules is refused, with an example value. Times lie between 1970 and 2199.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from recgpt.data.schema import collect
from recgpt.errors import ConfigError, DataError
from recgpt.progress import note

NANOSECONDS = 1_000_000_000
UNITS = {"s": NANOSECONDS, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds in one unit of Unix time, by the name that `time_format` gives it."""
UNIT_NAMES = {"s": "Unix seconds", "ms": "Unix milliseconds", "us": "Unix microseconds", "ns": "Unix nanoseconds"}
PLAUSIBLE = (788_918_400, 4_102_444_800 - 1)  # Unix seconds: the years 1995 to 2099
POSSIBLE = (0, 7_258_118_400 - 1)  # Unix seconds: the years 1970 to 2199; -1 is an unknown time in a data set

_NUMBER = r"^-?(\d+)(?:\.(\d+))?$"
_ISO_8601 = (
    r"^(?P<year>\d{4})-?(?P<month>\d{2})-?(?P<day>\d{2})"
    r"((?P<separator>[T ])(?P<hour>\d{2}):?(?P<minute>\d{2})(:?(?P<second>\d{2})([.,](?P<fraction>\d+))?)?"
    r" ?(?P<zone>[Zz]|UTC|(?P<sign>[+-])(?P<zone_hour>\d{2}):?(?P<zone_minute>\d{2})?)?)?$"
)
_PARSED = pl.Struct({"seconds": pl.Int64, "nanoseconds": pl.Int64})
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%Y%m%d")
_DATES_IN_WORDS = ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%a, %d %b %Y")
_TIMES_OF_DAY = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z", "%H%M%S")
_COMMON_FORMATS = [date + time for date in _DATES + _DATES_IN_WORDS for time in _TIMES_OF_DAY]
_IN_PYTHON = "in Python read_past(..., time_format=)"
_COMPARED_WITH_PYTHON = 20  # values that Polars and Python must read alike in a format


@dataclass(frozen=True)
class Times:
    """Times of one column.

    Attributes
    ----------
    column
        Name of the column in its source.
    read_as
        What its values were taken for, such as "Unix milliseconds".
    nanoseconds
        Expression: Int64 nanoseconds since 1970, the full value to sort by; null where the time is unknown.
    first, last
        Unix seconds of the earliest and the latest time; None without any.
    """

    column: str
    read_as: str
    nanoseconds: pl.Expr
    first: int | None
    last: int | None

    @property
    def seconds(self) -> pl.Expr:
        """Expression: Int64 Unix seconds, rounded down; null where the time is unknown."""
        return self.nanoseconds // NANOSECONDS

    def in_order(self, table: pl.LazyFrame) -> pl.LazyFrame:
        """The table with `timestamp` (Unix seconds) and `position`, the full value, which orders the interactions."""
        ordered = table.with_columns(position=self.nanoseconds)
        return ordered.with_columns(timestamp=pl.col("position") // NANOSECONDS)

    def summary(self) -> dict[str, str | None]:
        """Column, what it was read as, first and last time, for a manifest."""
        return {
            "column": self.column,
            "read_as": self.read_as,
            "first": _iso(self.first),
            "last": _iso(self.last),
        }


def read_times(
    table: pl.LazyFrame,
    column: str,
    where: str,
    time_format: str | None = None,
    *,
    name: str | None = None,
    quiet: bool = False,
) -> Times:
    """Find out how a column writes times, and check all of its values; prints what it was taken for.

    Parameters
    ----------
    table
        Table with the column; the column is read twice.
    where
        File or table, for messages.
    time_format
        `s`, `ms`, `us`, `ns` or a format of `strptime`; None finds out by the rules of this module.
    name
        Name of the column in messages, if it has another one in the file.
    quiet
        Whether nothing is printed.

    Raises
    ------
    DataError
        The column holds no times, ambiguous ones, or some outside 1970 to 2199.
    ConfigError
        `time_format` is no format.
    """
    if time_format is not None and time_format not in UNITS:
        _check_format(time_format)
    name = name or column
    times = replace(_read(table, column, f"{where}: column {name!r}", time_format), column=name)
    if not quiet and times.first is not None:
        note(f"{where}: {name!r} read as {times.read_as}, {_iso(times.first)} to {_iso(times.last)}")
    return times


def _read(table: pl.LazyFrame, column: str, place: str, time_format: str | None) -> Times:
    kind = table.collect_schema()[column]
    if isinstance(kind, pl.Categorical | pl.Enum):
        table, kind = table.cast({column: pl.String}), pl.String()
    value = pl.col(column)
    if kind.base_type() in (pl.Date, pl.Datetime):
        return _read_temporal(table, column, kind, place)
    if kind == pl.String:
        stripped = value.str.strip_chars()
        value = pl.when(stripped != "").then(stripped)
        if time_format in UNITS or (time_format is None and _are_numbers(table, value, place)):
            return _read_numbers_in_text(table, column, value, place, time_format)
        if time_format is None:
            return _read_iso(table, column, value, place)
    elif kind == pl.Null:
        return Times(column, "unknown times", value.cast(pl.Int64), None, None)
    elif not kind.is_numeric():
        raise DataError(f"{place} is {kind}, a time is needed: dates, ISO 8601 text or Unix numbers")
    if time_format is None or time_format in UNITS:
        return _read_numbers(table, column, kind, place, time_format)
    return _read_format(table, column, value.cast(pl.String), place, time_format)


# --- a few odd values among many ---


def read_most_times(
    table: pl.LazyFrame, column: str, where: str, time_format: str | None = None, *, name: str | None = None
) -> tuple[Times, pl.LazyFrame, pl.Expr]:
    """`read_times` for a column in which some values are no times.

    Returns
    -------
    Times, the table they are read from, in which values that are no times are null, and an expression of that table
    with these values as text.

    Raises
    ------
    DataError
        Half of the values or more do not have one form, or they mix units.
    """
    kept = f"{column} as written"
    nothing = pl.lit(None, pl.String)
    try:
        return read_times(table, column, where, time_format, name=name), table, nothing
    except DataError:
        odd = _odd_values(table, column, where, time_format)
        if odd is None:
            raise
    table = table.with_columns(pl.when(odd).then(pl.col(column)).cast(pl.String).alias(kept))
    table = table.with_columns(pl.when(pl.col(kept).is_null()).then(pl.col(column)).alias(column))
    return read_times(table, column, where, time_format, name=name), table, pl.col(kept)


def _odd_values(table: pl.LazyFrame, column: str, where: str, time_format: str | None) -> pl.Expr | None:
    """Expression for the values unlike the majority of a column of text or numbers; None without a clear majority."""
    kind = table.collect_schema()[column]
    value = pl.col(column)
    if kind == pl.String:
        value = value.str.strip_chars()
        value = pl.when(value != "").then(value)
        number = pl.when(value.str.contains(_NUMBER)).then(value).cast(pl.Float64, strict=False)
    elif kind.is_numeric():
        number = value.cast(pl.Float64)
    else:
        return None
    forms = {unit: _in_years(number, unit) for unit in ([time_format] if time_format in UNITS else UNITS)}
    if time_format is not None and time_format not in UNITS:
        seconds, _ = _parsed(value.cast(pl.String), time_format.replace(".%f", "%.f"))
        forms = {"format": seconds.is_between(*POSSIBLE)}
    elif kind == pl.String and time_format is None:
        seconds = value.map_batches(_parse_iso, return_dtype=_PARSED, is_elementwise=True).struct.field("seconds")
        forms["ISO 8601"] = pl.when(~value.str.contains(_NUMBER)).then(seconds.is_between(*POSSIBLE))
    counts = {name: form.fill_null(False).sum() for name, form in forms.items()}
    found = collect(table.select(n=value.count(), **counts), where).row(0, named=True)
    n = found.pop("n")
    best = max(found, key=found.__getitem__)
    mixes_units = sum(count > 0 for name, count in found.items() if name in UNITS) > 1
    if mixes_units or 2 * found[best] <= n:
        return None
    unknown = (number == -1).fill_null(False)
    return value.is_not_null() & ~forms[best].fill_null(False) & ~unknown


def _in_years(number: pl.Expr, unit: str) -> pl.Expr:
    low, high = PLAUSIBLE
    return number.is_between(
        low * (NANOSECONDS // UNITS[unit]), (high + 1) * (NANOSECONDS // UNITS[unit]), closed="left"
    )


# --- one form of time each ---


def _read_temporal(table: pl.LazyFrame, column: str, kind: pl.DataType, place: str) -> Times:
    value = pl.col(column)
    zone = getattr(kind, "time_zone", None)
    seconds = value.cast(pl.Datetime("us")).dt.epoch("s") if kind == pl.Date else value.dt.epoch("s")
    read_as = "dates" if kind == pl.Date else f"dates and times, {'zone ' + zone if zone else 'taken as UTC'}"
    nanoseconds = value.cast(pl.Datetime("ns")).dt.timestamp("ns") if kind == pl.Date else value.dt.timestamp("ns")
    return _checked(table, column, value, seconds, nanoseconds, read_as, place)


def _read_numbers(table: pl.LazyFrame, column: str, kind: pl.DataType, place: str, unit: str | None) -> Times:
    if kind in (pl.Float32, pl.Float16):
        raise DataError(f"{place} is {kind}, which rounds times to minutes: store it as Float64 or whole numbers")
    value = pl.when(pl.col(column) != -1).then(pl.col(column)).otherwise(None)
    if kind.is_float():
        value = value.fill_nan(None)
    unit, read_as = _unit(table, value, value.cast(pl.Float64), place, unit)
    seconds = (value.cast(pl.Float64) / (NANOSECONDS // UNITS[unit])).floor()
    if kind.is_integer():
        nanoseconds = value.cast(pl.Int64, strict=False) * UNITS[unit]
    else:
        nanoseconds = (value.cast(pl.Float64) * UNITS[unit]).round().cast(pl.Int64, strict=False)
    return _checked(table, column, value, seconds, nanoseconds, read_as, place)


def _read_numbers_in_text(table: pl.LazyFrame, column: str, value: pl.Expr, place: str, unit: str | None) -> Times:
    value = value.replace("-1", None)
    unit, read_as = _unit(table, value, value.cast(pl.Float64, strict=False), place, unit)
    seconds = (value.cast(pl.Float64, strict=False) / (NANOSECONDS // UNITS[unit])).floor()
    if _are_integers(table, value, place):
        nanoseconds = value.cast(pl.Int64, strict=False) * UNITS[unit]
    else:  # whole and fractional digits apart: a Float64 would round tenths of a microsecond
        whole = value.str.extract(_NUMBER, 1).cast(pl.Int64, strict=False) * UNITS[unit]
        fraction = value.str.extract(_NUMBER, 2).fill_null("").str.slice(0, 9).str.pad_end(9, "0")
        nanoseconds = whole + fraction.cast(pl.Int64) * UNITS[unit] // NANOSECONDS
    return _checked(table, column, value, seconds, nanoseconds, read_as, place)


def _read_iso(table: pl.LazyFrame, column: str, value: pl.Expr, place: str) -> Times:
    first = collect(table.select(value.drop_nulls().first()), place).item()
    for uniform in _uniform_iso_formats(first or ""):
        seconds, nanoseconds = _parsed(value, uniform)
        if _all(table, seconds.is_not_null() | value.is_null(), place):
            read_as = "ISO 8601" if uniform.endswith("z") or uniform.endswith("Z") else "ISO 8601, taken as UTC"
            return _checked(table, column, value, seconds, nanoseconds, read_as, place)
    parsed = value.map_batches(_parse_iso, return_dtype=_PARSED, is_elementwise=True)
    seconds, nanoseconds = (parsed.struct.field(name) for name in ("seconds", "nanoseconds"))
    return _checked(
        table, column, value, seconds, nanoseconds, "ISO 8601 of several forms, UTC where no zone is given", place
    )


def _uniform_iso_formats(text: str) -> list[str]:
    """Formats of Polars for a whole column like this value, the fastest first; each is faster than `_parse_iso`."""
    match = re.match(_ISO_8601, text)
    if match is None or text[4] != "-":
        return []
    if match["separator"] is None:
        return ["%Y-%m-%d"]
    if text[13] != ":" or match["zone"] == "UTC" or "," in text:
        return []
    day_and_minute = f"%Y-%m-%d{match['separator']}%H:%M"
    if match["zone"] is None:
        return [f"{day_and_minute}:%S", f"{day_and_minute}:%S%.f"]
    return [f"{day_and_minute}:%SZ", f"{day_and_minute}:%S%.f%#z"]


def _parse_iso(texts: pl.Series) -> pl.Series:
    """Seconds and nanoseconds of ISO 8601 texts of any forms; null where a text is none."""
    parts = texts.str.extract_groups(_ISO_8601).struct.unnest()
    fields = [pl.col(name) for name in ("year", "month", "day")]
    fields += [pl.col(name).fill_null("00") for name in ("hour", "minute", "second")]
    naive = pl.concat_str(fields, separator=" ").str.to_datetime("%Y %m %d %H %M %S", time_unit="us", strict=False)
    hours, minutes = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("zone_hour", "zone_minute"))
    east = pl.when(pl.col("sign") == "-").then(-1).otherwise(1)
    fraction = pl.col("fraction").fill_null("").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64)
    return (
        parts.select(seconds=naive.dt.epoch("s") - east * (hours * 3600 + minutes * 60), fraction=fraction)
        .select("seconds", nanoseconds=pl.col("seconds") * NANOSECONDS + pl.col("fraction"))
        .to_struct(texts.name)
    )


def _read_format(table: pl.LazyFrame, column: str, value: pl.Expr, place: str, time_format: str) -> Times:
    # In the formats of Polars a fraction of a second is `%.f`, with its point, and `%f` counts nanoseconds.
    seconds, nanoseconds = _parsed(value, time_format.replace(".%f", "%.f"))
    read_as = f"the format {time_format}" + ("" if "%z" in time_format else ", taken as UTC")
    times = _checked(table, column, value, seconds, nanoseconds, read_as, place, time_format)
    sample = collect(table.select(value=value, seconds=times.seconds).drop_nulls().head(_COMPARED_WITH_PYTHON), place)
    for text, parsed in sample.iter_rows():
        if _python_seconds(text, time_format) != parsed:
            raise DataError(f"{place} has {text!r}, which is not read reliably as {time_format}: write ISO 8601 times")
    return times


def _parsed(value: pl.Expr, polars_format: str) -> tuple[pl.Expr, pl.Expr]:
    """Seconds and nanoseconds of texts in a format of Polars; nanoseconds overflow outside the years 1678 to 2261."""
    coarse = value.str.to_datetime(polars_format, time_unit="us", strict=False)
    fine = value.str.to_datetime(polars_format, time_unit="ns", strict=False)
    return coarse.dt.epoch("s"), fine.dt.timestamp("ns")


# --- checks ---


def _unit(table: pl.LazyFrame, value: pl.Expr, number: pl.Expr, place: str, given: str | None) -> tuple[str, str]:
    """The unit of a column of numbers, and its description.

    Raises
    ------
    DataError
        No unit puts all of them into plausible years.
    """
    if given is not None:
        return given, f"{UNIT_NAMES[given]}, as given"
    low, high = PLAUSIBLE
    fits = {
        unit: pl.col("number").is_between(low * (NANOSECONDS // k), (high + 1) * (NANOSECONDS // k), closed="left")
        for unit, k in UNITS.items()
    }
    shown = pl.col("value")
    first = {unit: shown.filter(fit).first().cast(pl.String) for unit, fit in fits.items()}
    none = shown.filter(~pl.any_horizontal(*fits.values())).first().cast(pl.String)
    found = collect(table.select(value=value, number=number).select(none=none, **first), place).row(0, named=True)
    example = found.pop("none")
    units = [unit for unit, text in found.items() if text is not None]
    if example is not None:
        raise DataError(
            f"{place} has {example!r}, which is in the years 1995 to 2099 neither as Unix seconds nor as milliseconds, "
            f"microseconds or nanoseconds: {_remedy(example)}"
        )
    if len(units) > 1:
        mixture = " and ".join(f"{UNIT_NAMES[unit]} ({found[unit]})" for unit in units)
        raise DataError(f"{place} mixes {mixture}: write all times in one unit")
    unit = units[0] if units else "s"
    return unit, UNIT_NAMES[unit]


def _checked(
    table: pl.LazyFrame,
    column: str,
    value: pl.Expr,
    seconds: pl.Expr,
    nanoseconds: pl.Expr,
    read_as: str,
    place: str,
    time_format: str | None = None,
) -> Times:
    """Times whose values were all read and lie in possible years."""
    shown, seconds_of = pl.col("value"), pl.col("seconds")
    out = ~seconds_of.is_between(*POSSIBLE)  # of the seconds, as nanoseconds of other years would overflow
    unread = shown.is_not_null() & seconds_of.is_null()
    found = collect(
        table.select(value=value, seconds=seconds).select(
            unread=shown.filter(unread).first().cast(pl.String),
            out=shown.filter(out).first().cast(pl.String),
            first=seconds_of.min().cast(pl.Int64, strict=False),
            last=seconds_of.max().cast(pl.Int64, strict=False),
        ),
        place,
    ).row(0, named=True)
    if found["unread"] is not None:
        raise DataError(_unread(found["unread"], place, time_format))
    if found["out"] is not None:
        raise DataError(f"{place} has {found['out']!r}, read as {read_as}: times between 1970 and 2199 are needed")
    return Times(column, read_as, nanoseconds, found["first"], found["last"])


def _all(table: pl.LazyFrame, condition: pl.Expr, place: str) -> bool:
    """Whether a condition is true wherever it is not null."""
    return bool(collect(table.select(condition.all()), place).item())


def _are_integers(table: pl.LazyFrame, value: pl.Expr, place: str) -> bool:
    return _all(table, value.cast(pl.Int64, strict=False).is_not_null() | value.is_null(), place)


def _are_numbers(table: pl.LazyFrame, value: pl.Expr, place: str) -> bool:
    """Whether all texts are plain decimal numbers."""
    return _are_integers(table, value, place) or _all(table, value.str.contains(_NUMBER), place)


def _unread(text: str, place: str, time_format: str | None) -> str:
    if time_format is not None:
        return f"{place} has {text!r}, which does not have the format {time_format}: give its format (--time-format)"
    return f"{place} has {text!r}, which is no ISO 8601 time such as 2021-03-04T05:06:07Z: {_remedy(text)}"


def _remedy(text: str) -> str:
    """Suggestion for a value that follows no rule."""
    fitting = {form: seconds for form in _COMMON_FORMATS if (seconds := _python_seconds(text, form)) is not None}
    if fitting:
        ambiguous = "its day and month cannot be told apart; " if len(set(fitting.values())) > 1 else ""
        return f"{ambiguous}give its format, --time-format {' or '.join(map(repr, fitting))} ({_IN_PYTHON})"
    if text.strip("-0.") == "":
        return f"leave unknown times empty, or give the unit, such as --time-format s ({_IN_PYTHON})"
    return f"give its format, such as --time-format '%d/%m/%Y' or s ({_IN_PYTHON}); leave unknown times empty"


def _check_format(time_format: str) -> None:
    try:
        datetime.strptime(datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC).strftime(time_format), time_format)
        is_format = "%" in time_format
    except ValueError:
        is_format = False
    if not is_format or "%f" in time_format.replace(".%f", ""):
        raise ConfigError(
            f"time_format {time_format!r} is none of {', '.join(UNITS)} and no strptime format such as '%d/%m/%Y' or "
            "'%Y-%m-%d %H:%M:%S.%f'"
        )


def _python_seconds(text: str, time_format: str) -> int | None:
    try:
        time = datetime.strptime(text, time_format)
    except ValueError:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
