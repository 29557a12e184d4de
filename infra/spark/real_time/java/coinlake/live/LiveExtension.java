package coinlake.live;

import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.ColumnarRule;
import org.apache.spark.sql.execution.SparkPlan;
import scala.Function1;
import scala.runtime.BoxedUnit;

/** Gives a Spark session, by {@code spark.sql.extensions}, the rules of the live job. */
public final class LiveExtension implements Function1<SparkSessionExtensions, BoxedUnit> {
    @Override
    public BoxedUnit apply(SparkSessionExtensions extensions) {
        extensions.injectColumnar(session -> onceDecided(new StateByTopicPartition()));
        extensions.injectColumnar(session -> onceDecided(new FirstEndFirst()));
        return BoxedUnit.UNIT;
    }

    /** Hooks in where columnar operators are planned: there the shuffles of a plan have been decided on. */
    private static ColumnarRule onceDecided(Rule<SparkPlan> rule) {
        return new ColumnarRule() {
            @Override
            public Rule<SparkPlan> preColumnarTransitions() {
                return rule;
            }
        };
    }
}
