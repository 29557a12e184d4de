package coinlake.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.line.LineSenderException;
import java.time.Instant;
import java.util.Date;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Writes one record as one row into the client's buffer, or says why it is none.
 *
 * <p>Text goes as text, so that the server turns it into the column's own type: a decimal never becomes a float on its way.
 * No number is taken: Connect's JSON converter has made a float of a fraction by then, and of a whole number beyond 64 bits
 * another one, without an error.
 */
final class RowWriter {
    /** QuestDB would take these for a decimal, and store nothing. */
    private static final Pattern NO_NUMBER = Pattern.compile("[+-]?(nan|inf|infinity)", Pattern.CASE_INSENSITIVE);

    private final String table;
    private final String eventTime;
    private final Set<String> symbols;
    private final Set<String> times;
    private final TimestampPattern pattern;

    RowWriter(SinkOptions options) {
        table = options.table();
        eventTime = options.eventTime();
        symbols = options.symbols();
        times = options.times();
        pattern = options.pattern();
    }

    /**
     * Adds a row; on an error the buffer is as it was before.
     *
     * @throws DataException the record is not an object, has no event time, or a field of a kind that no column takes
     */
    void write(SinkRecord record, Sender sender) {
        if (!(record.value() instanceof Map<?, ?> fields)) {
            throw new DataException("expected a JSON object, found " + kind(record.value()));
        }
        Instant moment = eventTime(fields);
        sender.table(table);
        try {
            for (String name : symbols) {
                writeSymbol(sender, name, fields.get(name));
            }
            fields.forEach((name, value) -> writeColumn(sender, String.valueOf(name), value));
            sender.at(moment);
        } catch (LineSenderException error) {
            sender.cancelRow();
            throw new DataException(error.getMessage(), error);
        } catch (DataException error) {
            sender.cancelRow();
            throw error;
        }
    }

    private Instant eventTime(Map<?, ?> fields) {
        if (fields.get(eventTime) instanceof String text) {
            return pattern.read(eventTime, text);
        }
        throw new DataException(eventTime + ": expected a time as text, found " + kind(fields.get(eventTime)));
    }

    private void writeSymbol(Sender sender, String name, Object value) {
        if (value instanceof String text) {
            sender.symbol(name, text);
        } else if (value != null) {
            throw new DataException(name + ": expected text, found " + kind(value));
        }
    }

    private void writeColumn(Sender sender, String name, Object value) {
        if (value == null || name.equals(eventTime) || symbols.contains(name)) {
            return;
        }
        if (times.contains(name)) {
            sender.timestampColumn(name, time(name, value));
        } else if (value instanceof String text) {
            if (NO_NUMBER.matcher(text).matches()) {
                throw new DataException(name + ": expected a number or other text, found " + text);
            }
            sender.stringColumn(name, text);
        } else if (value instanceof Boolean truth) {
            sender.boolColumn(name, truth);
        } else if (value instanceof Date date) {
            sender.timestampColumn(name, date.toInstant());
        } else {
            throw new DataException(name + ": expected text, true or false, found " + kind(value));
        }
    }

    private Instant time(String name, Object value) {
        if (value instanceof String text) {
            return pattern.read(name, text);
        }
        throw new DataException(name + ": expected a time as text, found " + kind(value));
    }

    private static String kind(Object value) {
        if (value == null) {
            return "nothing";
        }
        if (value instanceof Map) {
            return "an object";
        }
        if (value instanceof Iterable) {
            return "an array";
        }
        if (value instanceof Number) {
            return "a number";
        }
        return value instanceof String ? "text" : "%s %s".formatted(value.getClass().getSimpleName(), value);
    }
}
