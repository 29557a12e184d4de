package coinlake.connect;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/**
 * Writes the JSON objects of Kafka topics into a table of QuestDB.
 *
 * <p>It takes the options of QuestDB's own connector under their names, see {@link SinkOptions}. Rows arrive at least once;
 * a table with DEDUP UPSERT KEYS keeps each once.
 */
public final class QuestDbSinkConnector extends SinkConnector {
    static final String VERSION = "1";

    private Map<String, String> options = Map.of();

    @Override
    public void start(Map<String, String> given) {
        options = Map.copyOf(given);
    }

    @Override
    public Class<? extends Task> taskClass() {
        return QuestDbSinkTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        return IntStream.range(0, most).mapToObj(number -> options).toList();
    }

    @Override
    public void stop() {
        // Nothing of its own runs: the tasks hold the connections.
    }

    @Override
    public ConfigDef config() {
        return SinkOptions.definition();
    }

    @Override
    public String version() {
        return VERSION;
    }
}
