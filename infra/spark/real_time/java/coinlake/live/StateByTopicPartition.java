package coinlake.live;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.datasources.v2.RealTimeStreamScanExec;
import org.apache.spark.sql.execution.exchange.REQUIRED_BY_STATEFUL_OPERATOR$;
import org.apache.spark.sql.execution.exchange.ShuffleExchangeExec;
import org.apache.spark.sql.kafka010.KafkaBatchInputPartition;
import org.apache.spark.sql.kafka010.KafkaSourceOffset;
import scala.collection.immutable.ListMap;
import scala.collection.immutable.ListMap$;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Takes away the shuffle between a Kafka topic and the state of a query in Real-Time Mode: the rows of each partition
 * of the topic meet the state of the same number, in the task that reads them.
 *
 * <p>That is right where all rows of a group stand in one partition of the topic, which the query must know: it is
 * Flink's {@code reinterpretAsKeyedStream}. Spark finds state by the number of a task, and numbers its tasks as a map
 * of offsets happens to be ordered; here they are numbered as the partitions are, so that a query that is started anew
 * finds the state of each where it left it.
 */
final class StateByTopicPartition extends Rule<SparkPlan> {
    @Override
    public SparkPlan apply(SparkPlan plan) {
        return Plans.rebuilt(plan, StateByTopicPartition::withoutShuffle);
    }

    private static SparkPlan withoutShuffle(SparkPlan node) {
        if (!(node instanceof ShuffleExchangeExec shuffle)
                || shuffle.shuffleOrigin() != REQUIRED_BY_STATEFUL_OPERATOR$.MODULE$) {
            return node;
        }
        List<SparkPlan> leaves = new ArrayList<>(CollectionConverters.asJava(shuffle.child().collectLeaves()));
        if (leaves.size() != 1
                || !(leaves.get(0) instanceof RealTimeStreamScanExec scan)
                || !(scan.start() instanceof KafkaSourceOffset)) {
            return node;
        }
        RealTimeStreamScanExec ordered = ordered(scan);
        demandTaskForEachState(ordered, shuffle.numPartitions());
        return Plans.rebuilt(shuffle.child(), below -> below == scan ? ordered : below);
    }

    /** Reads the partitions of the topic in the order of their numbers. */
    private static RealTimeStreamScanExec ordered(RealTimeStreamScanExec scan) {
        List<TopicPartition> partitions = new ArrayList<>();
        Map<TopicPartition, Object> offsets =
                CollectionConverters.asJava(((KafkaSourceOffset) scan.start()).partitionToOffsets());
        partitions.addAll(offsets.keySet());
        partitions.sort(Comparator.comparing(TopicPartition::topic).thenComparingInt(TopicPartition::partition));
        Map<TopicPartition, Object> sorted = new LinkedHashMap<>();
        partitions.forEach(partition -> sorted.put(partition, offsets.get(partition)));
        ListMap<TopicPartition, Object> start = ListMap$.MODULE$.from(CollectionConverters.asScala(sorted));
        return scan.copy(
                scan.output(), scan.scan(), scan.stream(), new KafkaSourceOffset(start), scan.batchDurationMs());
    }

    /**
     * Checks that task and state of each number belong together.
     *
     * @throws IllegalStateException the topic has more or fewer partitions than the query has state for, or is not one
     */
    private static void demandTaskForEachState(RealTimeStreamScanExec scan, int states) {
        List<TopicPartition> read = new ArrayList<>();
        CollectionConverters.asJava(scan.inputPartitions())
                .forEach(part -> read.add(((KafkaBatchInputPartition) part).offsetRange().topicPartition()));
        boolean inOrder = read.size() == states;
        for (int number = 0; inOrder && number < states; number++) {
            inOrder = read.get(number).partition() == number && read.get(number).topic().equals(read.get(0).topic());
        }
        if (!inOrder) {
            throw new IllegalStateException("expected a topic of " + states
                    + " partitions, as when the query began, found " + read + ": start it anew");
        }
    }
}
