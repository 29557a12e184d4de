package coinlake.live;

import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.ColumnarRule;
import org.apache.spark.sql.execution.SparkPlan;
import scala.Function1;
import scala.runtime.BoxedUnit;

/** Gives a Spark session, by {@code spark.sql.extensions}, the rule that state stays with its partition of the topic. */
public final class LiveExtension implements Function1<SparkSessionExtensions, BoxedUnit> {
    @Override
    public BoxedUnit apply(SparkSessionExtensions extensions) {
        // The hook for columnar operators is the one that sees the plan when its shuffles have been decided on.
        extensions.injectColumnar(session -> new ColumnarRule() {
            @Override
            public Rule<SparkPlan> preColumnarTransitions() {
                return new StateByTopicPartition();
            }
        });
        return BoxedUnit.UNIT;
    }
}
