package coinlake.connect;

import io.questdb.client.Sender;
import io.questdb.client.cutlass.http.client.HttpClientException;
import io.questdb.client.cutlass.line.LineSenderException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Delivers each batch before it returns, so Kafka Connect commits no offset of a row that QuestDB has not accepted.
 *
 * <p>While QuestDB takes no rows the batch is tried again and again. A record that can be no row is reported, with the
 * reason, and the others of its batch are written: QuestDB refuses a request whole, so a refused batch is halved until the
 * record is found.
 */
public final class QuestDbSinkTask extends SinkTask {
    private static final Logger LOG = LoggerFactory.getLogger(QuestDbSinkTask.class);

    private record Refusal(SinkRecord record, Exception reason) {}

    private SinkOptions options;
    private RowWriter rows;
    private Answer answer;
    private Sender sender;

    @Override
    public void start(Map<String, String> given) {
        options = new SinkOptions(given);
        rows = new RowWriter(options);
        answer = new Answer(options.table());
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        List<Refusal> refusals = new ArrayList<>();
        deliver(List.copyOf(records), refusals);
        // Only now: a batch that is tried again would report them again.
        refusals.forEach(this::report);
    }

    private void deliver(List<SinkRecord> records, List<Refusal> refusals) {
        List<SinkRecord> buffered = new ArrayList<>(records.size());
        try {
            for (SinkRecord record : records) {
                if (buffer(record, refusals)) {
                    buffered.add(record);
                }
            }
            if (!buffered.isEmpty()) {
                sender.flush();
            }
        } catch (LineSenderException | HttpClientException error) {
            disconnect();
            if (!answer.refusesRows(error)) {
                LOG.warn("QuestDB took no rows, next try in {} ms: {}", options.backoffMillis(), error.getMessage());
                context.timeout(options.backoffMillis());
                throw new RetriableException("QuestDB took no rows", error);
            }
            if (buffered.size() == 1) {
                refusals.add(new Refusal(buffered.get(0), error));
                return;
            }
            int half = buffered.size() / 2;
            deliver(buffered.subList(0, half), refusals);
            deliver(buffered.subList(half, buffered.size()), refusals);
        }
    }

    private boolean buffer(SinkRecord record, List<Refusal> refusals) {
        if (sender == null) {
            sender = Sender.fromConfig(options.client());
        }
        try {
            rows.write(record, sender);
            return true;
        } catch (DataException reason) {
            refusals.add(new Refusal(record, reason));
            return false;
        }
    }

    private void report(Refusal refusal) {
        SinkRecord record = refusal.record();
        String place = "%s-%d at %d".formatted(record.topic(), record.kafkaPartition(), record.kafkaOffset());
        ErrantRecordReporter reporter = context.errantRecordReporter();
        if (reporter == null) {
            throw new ConnectException("a record that can be no row, and no topic for dead letters: " + place, refusal.reason());
        }
        LOG.warn("refused: {}: {}", place, refusal.reason().getMessage());
        reporter.report(record, refusal.reason());
    }

    private void disconnect() {
        if (sender != null) {
            try {
                sender.close();
            } catch (LineSenderException | HttpClientException error) {
                LOG.debug("the connection was gone already", error);
            } finally {
                sender = null;
            }
        }
    }

    @Override
    public void stop() {
        disconnect();
    }

    @Override
    public String version() {
        return QuestDbSinkConnector.VERSION;
    }
}
