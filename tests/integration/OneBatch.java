import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.apache.kafka.connect.sink.SinkTaskContext;

/** Gives the sink a batch, a message of standard input each, again for as long as it asks for that, and says what it does. */
public final class OneBatch {
    public static void main(String[] options) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (String option : options) {
            given.put(option.substring(0, option.indexOf('=')), option.substring(option.indexOf('=') + 1));
        }
        ErrantRecordReporter reporter = (record, reason) -> {
            System.out.println("refused " + record.kafkaOffset() + " " + reason.getMessage());
            return CompletableFuture.completedFuture(null);
        };
        SinkTask task = (SinkTask) Class.forName("coinlake.connect.QuestDbSinkTask").getConstructor().newInstance();
        task.initialize((SinkTaskContext) Proxy.newProxyInstance(OneBatch.class.getClassLoader(),
            new Class<?>[] {SinkTaskContext.class},
            (proxy, method, arguments) -> method.getName().equals("errantRecordReporter") ? reporter : null));
        List<SinkRecord> batch = read();
        task.start(given);
        while (true) {
            try {
                task.put(batch);
                break;
            } catch (RetriableException again) {
                System.out.println("again");
            }
        }
        task.stop();
        System.out.println("done");
    }

    private static List<SinkRecord> read() throws Exception {
        List<SinkRecord> batch = new ArrayList<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (JsonConverter converter = new JsonConverter()) {
            converter.configure(Map.of("schemas.enable", "false"), false);
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Object value = converter.toConnectData("t", line.getBytes(StandardCharsets.UTF_8)).value();
                batch.add(new SinkRecord("t", 0, null, null, null, value, batch.size()));
            }
        }
        return batch;
    }
}
