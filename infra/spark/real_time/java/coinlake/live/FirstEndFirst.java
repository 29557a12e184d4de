package coinlake.live;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.ExpandExec;
import org.apache.spark.sql.execution.SparkPlan;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Turns round the order in which an event is put into its windows: the one that ends first goes first.
 *
 * <p>That is the window which is drawn, and Spark puts the event into it last. Each of them goes through the state and
 * to Kafka before the next: it would wait for all the others, and more often than not for a second batch of the
 * producer. No result depends on the order.
 */
final class FirstEndFirst extends Rule<SparkPlan> {
    @Override
    public SparkPlan apply(SparkPlan plan) {
        return Plans.rebuilt(plan, FirstEndFirst::turned);
    }

    private static SparkPlan turned(SparkPlan node) {
        if (!(node instanceof ExpandExec expand)) {
            return node;
        }
        List<Seq<Expression>> windows = new ArrayList<>(CollectionConverters.asJava(expand.projections()));
        Collections.reverse(windows);
        return expand.copy(
                CollectionConverters.asScala(windows).toSeq(), expand.output(), expand.child(), expand.useSingleTask());
    }
}
