package coinlake.connect;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.ResolverStyle;
import java.time.format.SignStyle;
import java.time.temporal.ChronoField;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.errors.DataException;

/** Reads moments that are written by a pattern in QuestDB's letters: yyyy MM dd HH mm ss SSS UUU and a zone, z or Z. */
final class TimestampPattern {
    private static final Pattern PART = Pattern.compile("yyyy|MM|dd|HH|mm|ss|SSSUUU|SSS|z|Z|T|[^A-Za-z]");

    private final String pattern;
    private final DateTimeFormatter formatter;

    TimestampPattern(String pattern) {
        this.pattern = pattern;
        DateTimeFormatterBuilder builder = new DateTimeFormatterBuilder();
        Matcher parts = PART.matcher(pattern);
        int read = 0;
        while (read < pattern.length()) {
            if (!parts.find(read) || parts.start() != read) {
                throw new ConfigException("timestamp.string.format", pattern,
                    "expected yyyy, MM, dd, HH, mm, ss, SSS, UUU after SSS, z or Z, found " + pattern.substring(read));
            }
            append(builder, parts.group());
            read = parts.end();
        }
        formatter = builder.toFormatter(Locale.ROOT).withResolverStyle(ResolverStyle.STRICT);
    }

    /** Refuses a pattern that is none, as a validator of Kafka's options. */
    static void check(String name, Object found) {
        new TimestampPattern(String.valueOf(found));
    }

    private static void append(DateTimeFormatterBuilder builder, String part) {
        switch (part) {
            case "yyyy" -> builder.appendValue(ChronoField.YEAR, 4, 4, SignStyle.NEVER);
            case "MM" -> builder.appendValue(ChronoField.MONTH_OF_YEAR, 2);
            case "dd" -> builder.appendValue(ChronoField.DAY_OF_MONTH, 2);
            case "HH" -> builder.appendValue(ChronoField.HOUR_OF_DAY, 2);
            case "mm" -> builder.appendValue(ChronoField.MINUTE_OF_HOUR, 2);
            case "ss" -> builder.appendValue(ChronoField.SECOND_OF_MINUTE, 2);
            case "SSS" -> builder.appendFraction(ChronoField.NANO_OF_SECOND, 3, 3, false);
            case "SSSUUU" -> builder.appendFraction(ChronoField.NANO_OF_SECOND, 6, 6, false);
            case "z", "Z" -> builder.appendOffset("+HH:MM", "Z");
            default -> builder.appendLiteral(part);
        }
    }

    /**
     * Reads a moment.
     *
     * @throws DataException the text is not written so, or names no day and time that there is
     */
    Instant read(String field, String text) {
        try {
            return OffsetDateTime.parse(text, formatter).toInstant();
        } catch (DateTimeException error) {
            throw new DataException(field + ": expected a time like " + pattern + ", found \"" + text + "\"", error);
        }
    }
}
