package coinlake.connect;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigException;

/**
 * The options of the sink, under the names and with the defaults of QuestDB's own connector.
 *
 * <p>An option of that connector which this sink has no use for is taken with the one value that means what this sink does,
 * and refused with another, so that a configuration never means something else here than there. What it does not require
 * and this sink does (the table, the event time, include.key) has no default.
 */
final class SinkOptions extends AbstractConfig {
    private static final String CLIENT = "client.conf.string";
    private static final String TABLE = "table";
    private static final String SYMBOLS = "symbols";
    private static final String EVENT_TIME = "timestamp.field.name";
    private static final String TIMES = "timestamp.string.fields";
    private static final String FORMAT = "timestamp.string.format";
    private static final String BACKOFF = "retry.backoff.ms";

    private final TimestampPattern pattern;

    SinkOptions(Map<String, String> given) {
        super(definition(), given);
        pattern = new TimestampPattern(getString(FORMAT));
    }

    static ConfigDef definition() {
        return new ConfigDef()
            .define(CLIENT, Type.PASSWORD, ConfigDef.NO_DEFAULT_VALUE, ClientWords::check, Importance.HIGH,
                "Where QuestDB is, in the words of its client: http::addr=HOST:PORT;")
            .define(TABLE, Type.STRING, Importance.HIGH, "The table that is written to")
            .define(EVENT_TIME, Type.STRING, Importance.HIGH, "The field that is the table's designated timestamp")
            .define(SYMBOLS, Type.LIST, "", Importance.MEDIUM, "Fields whose columns are symbols")
            .define(TIMES, Type.LIST, "", Importance.MEDIUM, "Further fields that are times, written as text")
            .define(FORMAT, Type.STRING, "yyyy-MM-ddTHH:mm:ss.SSSUUUZ", TimestampPattern::check, Importance.MEDIUM,
                "How times are written, in QuestDB's letters")
            .define(BACKOFF, Type.LONG, 3000L, ConfigDef.Range.atLeast(1), Importance.LOW,
                "Milliseconds between two tries while QuestDB takes no rows")
            .define("doubles", Type.LIST, "", only(List.of()), Importance.LOW, "Only empty: no field may be a number")
            .define("allowed.lag", Type.INT, 1000, ConfigDef.Range.atLeast(1), Importance.LOW,
                "The most milliseconds for which rows may be held back; this sink holds none back")
            .define("include.key", Type.BOOLEAN, ConfigDef.NO_DEFAULT_VALUE, only(false), Importance.LOW,
                "Only false: the key is no column")
            .define("skip.unsupported.types", Type.BOOLEAN, false, only(false), Importance.LOW, "Only false: nothing is dropped")
            .define("timestamp.kafka.native", Type.BOOLEAN, false, only(false), Importance.LOW, "Only false: see " + EVENT_TIME)
            .define("dlq.send.batch.on.error", Type.BOOLEAN, false, only(false), Importance.LOW,
                "Only false: the record that is refused is found and reported alone");
    }

    private static ConfigDef.Validator only(Object wanted) {
        return (name, found) -> {
            if (!wanted.equals(found)) {
                throw new ConfigException(name, found, "expected " + wanted);
            }
        };
    }

    /** Returns the words for the client, which never sends a part of a batch by itself. */
    String client() {
        return getPassword(CLIENT).value() + "auto_flush=off;";
    }

    String table() {
        return getString(TABLE);
    }

    String eventTime() {
        return getString(EVENT_TIME);
    }

    Set<String> symbols() {
        return Set.copyOf(getList(SYMBOLS));
    }

    Set<String> times() {
        return Set.copyOf(getList(TIMES));
    }

    TimestampPattern pattern() {
        return pattern;
    }

    long backoffMillis() {
        return getLong(BACKOFF);
    }
}
