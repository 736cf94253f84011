"""Times in all the forms that files and tables write them: the right seconds and order, or a refusal with a value."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pandas as pd
import polars as pl
import pytest

from recgpt.data.times import read_times
from recgpt.errors import ConfigError, DataError

T0 = 1_614_834_367  # 2021-03-04T05:06:07Z
ISO = "2021-03-04T05:06:07Z"


def read(values, time_format=None, **options):
    """(Unix seconds, order of the rows, what the column was read as)."""
    table = values.lazy() if isinstance(values, pl.DataFrame) else pl.LazyFrame({"at": values}, strict=False, **options)
    times = read_times(table, "at", "events.csv", time_format)
    rows = table.with_row_index("row").sort(times.nanoseconds, maintain_order=True, nulls_last=True).collect()
    return table.select(s=times.seconds).collect()["s"].to_list(), rows["row"].to_list(), times.read_as


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_datetimes_of_every_unit_and_zone(unit, zone):
    column = pl.Series("at", [datetime(2021, 3, 4, 5, 6, 7), datetime(2021, 3, 4, 5, 6, 6)], pl.Datetime(unit))
    if zone:
        column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    seconds, order, _ = read(column.to_frame())
    assert seconds == [T0, T0 - 1]
    assert order == [1, 0]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_pandas_datetimes_of_every_unit_and_zone(unit, zone):
    column = pd.Series(pd.to_datetime([T0, T0 - 1], unit="s")).dt.as_unit(unit)
    if zone:
        column = column.dt.tz_localize("UTC").dt.tz_convert(zone)
    seconds, order, _ = read(pl.from_pandas(pd.DataFrame({"at": column})))
    assert seconds == [T0, T0 - 1]
    assert order == [1, 0]


def test_dates_are_midnight_in_utc():
    assert read([date(2021, 3, 4), date(1970, 1, 1), None]) == ([1_614_816_000, 0, None], [1, 0, 2], "dates")


@pytest.mark.parametrize(("unit", "name"), [(1, "seconds"), (10**3, "milliseconds"), (10**6, "micro"), (10**9, "nano")])
@pytest.mark.parametrize("form", [int, float, str])
def test_unix_numbers_tell_their_unit_by_the_year(unit, name, form):
    seconds, order, read_as = read([form(T0 * unit), form((T0 - 5) * unit), None][: 3 if form is not float else 2])
    assert seconds[:2] == [T0, T0 - 5]
    assert order[:2] == [1, 0]
    assert f"Unix {name}" in read_as


@pytest.mark.parametrize("dtype", [pl.UInt64, pl.Int128, pl.UInt32, pl.Decimal(20, 3)])
def test_unix_numbers_of_other_types(dtype):
    assert read([T0, T0 - 5], schema={"at": dtype})[:2] == ([T0, T0 - 5], [1, 0])


def test_the_whole_value_gives_the_order():
    later, sooner = "2021-03-04T05:06:07.900Z", "2021-03-04T05:06:07.1+00:00"
    assert read([later, sooner])[:2] == ([T0, T0], [1, 0])
    assert read([T0 * 1000 + 900, T0 * 1000 + 100])[:2] == ([T0, T0], [1, 0])
    assert read([T0 * 10**9 + 2, T0 * 10**9 + 1])[:2] == ([T0, T0], [1, 0])
    assert read([T0 + 0.75, T0 + 0.25])[:2] == ([T0, T0], [1, 0])
    assert read([f"{T0}.123456789", f"{T0}.123456788"])[:2] == ([T0, T0], [1, 0])
    assert read([f"{T0}123.5", f"{T0}123.25"])[:2] == ([T0, T0], [1, 0])
    assert read(["2021-03-04T05:06:07.123456789", "2021-03-04T05:06:07.123456788"])[:2] == ([T0, T0], [1, 0])
    column = pl.Series("at", [2, 1], pl.Int64) + T0 * 10**9
    assert read(column.cast(pl.Datetime("ns")).to_frame())[:2] == ([T0, T0], [1, 0])
    column = pl.Series("at", [2, 1], pl.Int64) + T0 * 1000
    assert read(column.cast(pl.Datetime("ms")).to_frame())[:2] == ([T0, T0], [1, 0])


def test_ties_keep_the_order_of_the_source_and_unknown_times_are_last():
    assert read([T0, None, T0, T0 - 1, T0])[1] == [3, 0, 2, 4, 1]
    assert read([T0, -1, T0 - 1])[:2] == ([T0, None, T0 - 1], [2, 0, 1])
    assert read([ISO, "", " ", "2021-03-04"])[:2] == ([T0, None, None, 1_614_816_000], [3, 0, 1, 2])
    assert read([str(T0), "-1"])[0] == [T0, None]
    assert read([None, None])[0] == [None, None]
    assert read([float("nan"), float(T0)])[0] == [None, T0]


@pytest.mark.parametrize(
    "text",
    [
        *(ISO, "2021-03-04T05:06:07", "2021-03-04 05:06:07", "2021-03-04T07:06:07+02:00", "2021-03-04T00:06:07-0500"),
        *("2021-03-04T10:36:07+05:30", "2021-03-04 05:06:07 UTC", "20210304T050607Z", "2021-03-04T07:06:07.25+02"),
        *("2021-03-04 05:06:07.123456+00:00", "2021-03-04T05:06:07,5Z", " 2021-03-04T05:06:07Z "),
    ],
)
def test_iso_8601(text):
    assert read([text])[0] == [T0]


def test_iso_8601_with_mixed_zones():
    texts = [
        "2021-03-04T05:06:07Z",
        "2021-03-04T05:06:07+02:00",
        "2021-03-04T05:06:07",
        "2021-03-04",
        "2021-03-04T05:06",
    ]
    seconds, order, read_as = read(texts)
    assert seconds == [T0, T0 - 7200, T0, 1_614_816_000, T0 - 7]
    assert order == [3, 1, 4, 0, 2]
    assert read_as == "ISO 8601 of several forms, UTC where no zone is given"


@pytest.mark.parametrize(
    ("text", "time_format", "seconds"),
    [
        ("03/04/2021", "%d/%m/%Y", 1_617_408_000),
        ("03/04/2021", "%m/%d/%Y", 1_614_816_000),
        ("3/4/2021", "%d/%m/%Y", 1_617_408_000),
        ("4 Mar 2021 05:06:07", "%d %b %Y %H:%M:%S", T0),
        ("03/04/21 5:06 PM", "%m/%d/%y %I:%M %p", 1_614_877_560),
        ("2021-03-04 07:06:07 +0200", "%Y-%m-%d %H:%M:%S %z", T0),
        ("2021-03-04 05:06:07.250", "%Y-%m-%d %H:%M:%S.%f", T0),
        ("20210304", "%Y%m%d", 1_614_816_000),
        (20210304, "%Y%m%d", 1_614_816_000),
        (12, "s", 12),
        (12_345, "ms", 12),
        ("12345", "ms", 12),
        (12_345_678, "us", 12),
        (12_345_678_901, "ns", 12),
        (12.75, "s", 12),
    ],
)
def test_a_given_format(text, time_format, seconds):
    assert read([text], time_format)[0] == [seconds]


def test_a_given_format_reads_fractions_for_the_order():
    texts = ["04.03.2021 05:06:07.9", "04.03.2021 05:06:07.1"]
    assert read(texts, "%d.%m.%Y %H:%M:%S.%f")[:2] == ([T0, T0], [1, 0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["13/04/2021", "03/04/2021"], r"has '13/04/2021'.*--time-format '%d/%m/%Y'"),
        (
            ["03/04/2021"],
            r"events.csv: column 'at' has '03/04/2021'.*day and month cannot be told apart.*'%d/%m/%Y' or '%m/%d/%Y'",
        ),
        (["03-04-2021 10:00"], r"'%d-%m-%Y %H:%M' or '%m-%d-%Y %H:%M'"),
        (["2021/03/04"], r"'2021/03/04'.*--time-format '%Y/%m/%d'"),
        (["4 Mar 2021"], r"'4 Mar 2021'.*--time-format '%d %b %Y'"),
        (["yesterday"], r"'yesterday', which is no ISO 8601 time"),
        ([ISO, "NaT"], r"'NaT'.*leave unknown times empty"),
        ([ISO, str(T0)], rf"'{T0}', which is no ISO 8601 time"),
        (["2021-02-30"], r"'2021-02-30'"),
        (["2021-03-04T25:00:00"], r"'2021-03-04T25:00:00'"),
        (["1.61E+12", str(T0)], r"'1.61E\+12'"),
        ([20210304], r"'20210304'.*--time-format '%Y%m%d'"),
        (["20210304"], r"'20210304'.*--time-format '%Y%m%d'"),
        ([44_259.5], r"'44259.5', which is in the years 1995 to 2099 neither as Unix seconds"),
        ([1, 2, 3], r"'1', which is in the years 1995 to 2099 neither.*--time-format"),
        ([T0, 0], r"'0', which.*leave unknown times empty"),
        ([637_503_159_670_000_000], r"'637503159670000000'"),  # ticks of .NET
        ([T0, T0 * 1000], rf"mixes Unix seconds \({T0}\) and Unix milliseconds \({T0}000\)"),
        ([float("inf"), T0 * 1.0], r"'inf'"),
        ([True, False], r"'at' is Boolean, a time is needed"),
        ([time(5, 6)], r"is Time, a time is needed: dates"),
        ([timedelta(1)], r"is Duration.*a time is needed: dates"),
        ([datetime(1969, 12, 31)], r"'1969-12-31.*between 1970 and 2199"),
        ([datetime(9999, 12, 31), None], r"'9999-12-31.*between 1970 and 2199"),
        ([date(9999, 12, 31)], r"'9999-12-31'.*between 1970 and 2199"),
        (["9999-12-31"], r"'9999-12-31'.*between 1970 and 2199"),
        (["1969-12-31T23:59:59Z"], r"'1969-12-31T23:59:59Z'.*between 1970 and 2199"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        read(values)


def test_rounded_floats_are_refused():
    with pytest.raises(DataError, match="Float32, which rounds times to minutes"):
        read([float(T0)], schema={"at": pl.Float32})


@pytest.mark.parametrize(
    ("values", "time_format", "message"),
    [
        (["13/04/2021", "31/04/2021"], "%d/%m/%Y", r"'31/04/2021', which does not have the format %d/%m/%Y"),
        (["13/04/2021"], "%m/%d/%Y", r"'13/04/2021', which does not have the format %m/%d/%Y"),
        ([T0 * 1000], "s", rf"'{T0}000', read as Unix seconds, as given: times between 1970 and 2199"),
        (["x"], "ms", r"'x'"),
        ([T0 * 1000], "ns", None),
    ],
)
def test_a_given_format_that_does_not_fit(values, time_format, message):
    if message is None:
        assert read(values, time_format)[0] == [T0 * 1000 // 10**9]
        return
    with pytest.raises(DataError, match=message):
        read(values, time_format)


@pytest.mark.parametrize("time_format", ["dd/mm/yyyy", "%Q", "", "seconds", "%H:%M:%S,%f", "%"])
def test_a_format_that_is_none(time_format):
    with pytest.raises(ConfigError, match="is none of s, ms, us, ns and no strptime format"):
        read(["2021"], time_format)


def test_it_says_what_it_read(capsys):
    table = pl.LazyFrame({"at": [T0 * 1000, T0 * 1000 + 5000]})
    times = read_times(table, "at", "events.csv")
    assert times.summary() == {
        "column": "at",
        "read_as": "Unix milliseconds",
        "first": ISO,
        "last": "2021-03-04T05:06:12Z",
    }
    assert capsys.readouterr().err.strip() == (
        f"events.csv: 'at' read as Unix milliseconds, {ISO} to 2021-03-04T05:06:12Z"
    )


@pytest.mark.parametrize("offset", [-11, 0, 5, 14])
def test_any_instant_is_read_alike_in_every_form(offset):
    zone = timezone(timedelta(hours=offset))
    instants = [
        datetime(year, month, 28, 23, 59, 59, tzinfo=UTC) for year in (1995, 2000, 2038, 2099) for month in (2, 12)
    ]
    expected = [int(instant.timestamp()) for instant in instants]
    assert read([instant.astimezone(zone).isoformat() for instant in instants])[0] == expected
    assert (
        read(
            [instant.astimezone(zone).strftime("%d.%m.%Y %H:%M:%S %z") for instant in instants], "%d.%m.%Y %H:%M:%S %z"
        )[0]
        == expected
    )
    assert read(instants)[0] == expected
    for unit in (1, 10**3, 10**6, 10**9):
        assert read([value * unit for value in expected])[0] == expected
