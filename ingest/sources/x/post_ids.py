"""X's post ids: they ascend in time, for each holds the millisecond in which it was made.

An id is 22 bits of a machine and a sequence below the milliseconds since 2010-11-04T01:42:54.657Z
(https://github.com/twitter-archive/snowflake/tree/snowflake-2010).
"""

import datetime as dt

_BEGIN = dt.datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


def time_of(post_id: int) -> dt.datetime:
    """Return when a post was made, to the millisecond.

    >>> time_of(1578516068309794817)
    datetime.datetime(2022, 10, 7, 22, 42, 12, 752000, tzinfo=datetime.timezone.utc)
    """
    return _BEGIN + (post_id >> 22) * _MILLISECOND


def first_id_at(moment: dt.datetime) -> int:
    """Return the id below which every post was made before a moment.

    >>> first_id_at(dt.datetime(2022, 10, 7, 22, 42, 12, 752000, tzinfo=dt.UTC)) <= 1578516068309794817
    True
    """
    return max(0, (moment - _BEGIN) // _MILLISECOND << 22)
