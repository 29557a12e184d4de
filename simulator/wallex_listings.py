"""The markets of the generated Wallex: which coins it lists, in which quotes, and how busy they are."""

import msgspec


class Listing(msgspec.Struct, frozen=True):
    """One coin on Wallex. `busy` is 1 (a trade every few seconds) to 4 (a trade an hour); `quotes` besides TMN."""

    base: str
    persian: str
    busy: int
    quotes: tuple[str, ...]
    listed: str


_BOTH, _USDT, _NONE = ("USDT", "BTC"), ("USDT",), ()

LISTINGS: tuple[Listing, ...] = (
    Listing("USDT", "تتر", 1, _NONE, "2020-10-01"),
    Listing("BTC", "بیت کوین", 1, _USDT, "2020-04-01"),
    Listing("ETH", "اتریوم", 1, _BOTH, "2020-05-01"),
    Listing("DOGE", "دوج کوین", 1, _BOTH, "2020-06-01"),
    Listing("BCH", "بیت کوین کش", 2, _BOTH, "2020-07-01"),
    Listing("LTC", "لایت کوین", 2, _BOTH, "2020-08-01"),
    Listing("DASH", "دش", 2, _BOTH, "2020-09-01"),
    Listing("XRP", "ریپل", 1, _BOTH, "2020-11-01"),
    Listing("XLM", "استلار", 2, _USDT, "2020-12-01"),
    Listing("EOS", "ایاس", 2, _USDT, "2021-01-01"),
    Listing("TRX", "ترون", 1, _BOTH, "2021-02-01"),
    Listing("ADA", "کاردانو", 1, _BOTH, "2021-05-01"),
    Listing("BNB", "بایننس کوین", 2, _BOTH, "2021-06-01"),
    Listing("ATOM", "اتم", 2, _USDT, "2021-07-01"),
    Listing("MATIC", "متیک", 2, _BOTH, "2021-08-01"),
    Listing("FTM", "فانتوم", 2, _USDT, "2021-09-01"),
    Listing("DOT", "پولکادات", 2, _BOTH, "2021-10-01"),
    Listing("SHIB", "شیبا", 1, _USDT, "2021-11-01"),
    Listing("FIL", "فایل کوین", 2, _USDT, "2021-12-01"),
    Listing("LINK", "چین لینک", 2, _BOTH, "2021-12-16"),
    Listing("UNI", "یونی سوآپ", 3, _USDT, "2021-12-17"),
    Listing("RUNE", "تورچین", 3, _USDT, "2021-12-18"),
    Listing("CHZ", "چیلیز", 3, _USDT, "2021-12-19"),
    Listing("BTT", "بیت تورنت", 3, _USDT, "2021-12-20"),
    Listing("MANA", "مانا", 3, _USDT, "2021-12-21"),
    Listing("AXS", "اکسی", 3, _USDT, "2021-12-23"),
    Listing("SAND", "سندباکس", 3, _USDT, "2021-12-25"),
    Listing("ENJ", "انجین", 4, _USDT, "2021-12-26"),
    Listing("ALICE", "آلیس", 4, _USDT, "2021-12-29"),
    Listing("EGLD", "الروند", 3, _USDT, "2022-03-16"),
    Listing("AVAX", "اوالانچ", 2, _USDT, "2022-03-16"),
    Listing("NEAR", "نیر", 2, _USDT, "2022-03-16"),
    Listing("XTZ", "تزوس", 3, _USDT, "2022-03-16"),
    Listing("SOL", "سولانا", 1, _BOTH, "2022-03-16"),
    Listing("DAI", "دای", 3, _NONE, "2022-05-07"),
    Listing("ETC", "اتریوم کلاسیک", 2, _USDT, "2022-05-08"),
    Listing("GALA", "گالا", 3, _USDT, "2022-05-10"),
    Listing("AAVE", "آوه", 3, _USDT, "2022-05-15"),
    Listing("MKR", "میکر", 4, _USDT, "2022-05-16"),
    Listing("YFI", "یرن فایننس", 4, _BOTH, "2022-05-22"),
    Listing("CELR", "سلر", 4, _USDT, "2022-05-23"),
    Listing("APE", "ایپ کوین", 3, _USDT, "2022-05-24"),
    Listing("POLS", "پولکا استارتر", 4, _USDT, "2022-05-25"),
    Listing("1INCH", "وان اینچ", 4, _BOTH, "2022-05-28"),
    Listing("PAXG", "پکس گلد", 2, _USDT, "2022-06-01"),
    Listing("GMT", "استپن", 4, _USDT, "2022-06-18"),
    Listing("TON", "تون کوین", 1, _USDT, "2022-09-01"),
    Listing("GRT", "گراف", 3, _USDT, "2022-09-10"),
    Listing("ALGO", "الگورند", 3, _USDT, "2022-10-01"),
    Listing("HBAR", "هدرا", 3, _USDT, "2022-10-15"),
    Listing("ICP", "اینترنت کامپیوتر", 3, _USDT, "2022-11-01"),
    Listing("APT", "آپتوس", 3, _USDT, "2022-11-20"),
    Listing("ARB", "آربیتروم", 3, _USDT, "2023-04-01"),
    Listing("OP", "آپتیمیزم", 3, _USDT, "2023-04-10"),
    Listing("PEPE", "پپه", 2, _USDT, "2023-05-10"),
    Listing("SUI", "سویی", 3, _USDT, "2023-06-01"),
    Listing("LDO", "لیدو", 4, _USDT, "2023-06-15"),
    Listing("SNX", "سینتتیکس", 4, _USDT, "2023-07-01"),
    Listing("FLOKI", "فلوکی", 3, _USDT, "2023-09-01"),
    Listing("INJ", "اینجکتیو", 3, _USDT, "2023-12-01"),
    Listing("BONK", "بانک", 3, _USDT, "2024-01-10"),
    Listing("BEAM", "بیم", 4, _USDT, "2024-02-01"),
)
