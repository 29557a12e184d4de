package coinlake.live;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.spark.sql.execution.SparkPlan;
import scala.jdk.javaapi.CollectionConverters;

/** What the rules of this package do with plans alike. */
final class Plans {
    private Plans() {}

    /** Makes a plan anew, each of its nodes changed once its children have been. */
    static SparkPlan rebuilt(SparkPlan node, UnaryOperator<SparkPlan> change) {
        List<SparkPlan> children = new ArrayList<>();
        boolean same = true;
        for (SparkPlan child : CollectionConverters.asJava(node.children())) {
            SparkPlan made = rebuilt(child, change);
            same &= made == child;
            children.add(made);
        }
        if (same) {
            return change.apply(node);
        }
        // Not `withNewChildren`, which keeps a child that equals the new one: two scans of one stream are equal to Spark.
        SparkPlan made = node.withNewChildrenInternal(
                CollectionConverters.asScala(children).toIndexedSeq());
        made.copyTagsFrom(node);
        return change.apply(made);
    }
}
