package ecbsr.demo.ui

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.LeadingMarginSpan
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.RadioButton
import android.widget.TextView
import ecbsr.demo.R
import ecbsr.demo.core.Refused
import ecbsr.demo.core.SrModel
import ecbsr.demo.workbench

/** The models: which is used, what each is, and a way to open one's own. */
class ModelsActivity : Activity() {
    private lateinit var status: Status
    private val watcher = ::show

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.models)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        status = Status(this, workbench)
        findViewById<Button>(R.id.add).setOnClickListener { ask(chooseFile("*/*"), OPEN) }
    }

    override fun onStart() {
        super.onStart()
        workbench.watch(watcher)
        show()
    }

    override fun onStop() {
        super.onStop()
        workbench.unwatch(watcher)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data?.takeIf { result == RESULT_OK } ?: return
        workbench.addModel(uri)
    }

    private fun show() {
        val list = findViewById<ViewGroup>(R.id.list)
        list.removeAllViews()
        for (name in workbench.models.names()) list.addView(row(list, name))
        status.show()
    }

    private fun row(list: ViewGroup, name: String): View {
        val row = layoutInflater.inflate(R.layout.row_model, list, false)
        val chosen = name == workbench.model?.name
        row.findViewById<TextView>(R.id.name).text = name
        row.findViewById<RadioButton>(R.id.chosen).isChecked = chosen
        val facts = row.findViewById<TextView>(R.id.facts)
        try {
            val model = workbench.models.load(name)
            facts.text = facts(model)
            row.setOnClickListener { workbench.choose(name) }
            if (chosen) row.findViewById<TextView>(R.id.details).apply { visibility = View.VISIBLE; text = details(model) }
        } catch (refused: Refused) {
            facts.text = refused.message
        }
        val remove = row.findViewById<View>(R.id.remove)
        remove.visibility = if (workbench.models.isBundled(name)) View.GONE else View.VISIBLE
        remove.setOnClickListener {
            workbench.models.remove(name)
            if (chosen) workbench.choose(workbench.models.names().first()) else show()
        }
        return row
    }

    private fun facts(model: SrModel): String {
        val colors = getString(if (model.colors == 1) R.string.luma else R.string.rgb)
        val size = if (model.fixedSize == null) getString(R.string.any_size) else getString(R.string.fixed_size, "${model.fixedSize}")
        return getString(R.string.model_facts, model.scale, colors, model.precision, size)
    }

    private fun details(model: SrModel): CharSequence {
        val lines = mutableListOf(getString(if (workbench.models.isBundled(model.name)) R.string.from_the_app else R.string.opened_by_you))
        lines += "${getString(R.string.operators)}: " + model.operators.entries.joinToString { "${it.value} ${it.key}" }
        lines += if (model.recipe.isEmpty()) getString(R.string.no_recipe) else "${getString(R.string.recipe)}:"
        val text = SpannableStringBuilder(lines.joinToString("\n"))
        val indent = (RECIPE_INDENT * resources.displayMetrics.density).toInt()
        for ((key, value) in model.recipe) {
            val entry = "${key.replace('_', ' ').replace('.', ' ')}: $value"
            text.append("\n").append(entry, LeadingMarginSpan.Standard(indent, 2 * indent), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        }
        return text
    }

    private companion object {
        const val OPEN = 1
        const val RECIPE_INDENT = 8 // dp; twice that where an entry goes on
    }
}
